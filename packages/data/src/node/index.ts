export { type ReadImage, readImage } from "./decode.ts";
export { loadChatTemplate, loadTokenizer } from "./load-tokenizer.ts";
