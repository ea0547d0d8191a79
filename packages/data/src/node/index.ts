export { type ReadImage, readImage } from "./decode.ts";
export { loadImageProcessor } from "./load-image-processor.ts";
export { loadChatTemplate, loadTokenizer } from "./load-tokenizer.ts";
