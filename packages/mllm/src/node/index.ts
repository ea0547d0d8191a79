export {
  type CacheFeaturesOptions,
  cacheFeatures,
  type FeaturesProgress,
  type ImageToCache,
} from "./cache-features.ts";
export { type DiskFeatures, type DiskFeaturesOptions, openDiskFeatures } from "./disk-features.ts";
export { type LoadLlava, loadLlava } from "./load-llava.ts";
export { type SaveLlava, saveLlava } from "./save-llava.ts";
