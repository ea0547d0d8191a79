export {
  type CacheFeaturesOptions,
  cacheFeatures,
  type FeaturesProgress,
  type ImageToCache,
} from "./cache-features.ts";
export { type DiskFeatures, type DiskFeaturesOptions, openDiskFeatures } from "./disk-features.ts";
export { type LoadLlava, loadLlava } from "./load-llava.ts";
export { checkTokenizer, type LlavaFolder, openLlava, type Part } from "./open-llava.ts";
export { type ResolveModelFolder, resolveModelFolder } from "./resolve-model-folder.ts";
export { type SaveLlava, saveLlava } from "./save-llava.ts";
export { type TokenizerIds, tokenizerIds } from "./tokenizer-ids.ts";
