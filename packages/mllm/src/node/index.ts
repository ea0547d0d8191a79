export { type LoadLlava, loadLlava } from "./load-llava.ts";
export { checkTokenizer, type LlavaFolder, openLlava, type Part } from "./open-llava.ts";
export { type ResolveModelFolder, resolveModelFolder } from "./resolve-model-folder.ts";
export { type SaveLlava, saveLlava } from "./save-llava.ts";
export { type TokenizerIds, tokenizerIds } from "./tokenizer-ids.ts";
