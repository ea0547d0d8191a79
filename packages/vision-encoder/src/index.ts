export { parseSiglipConfig, patchesOf, type SiglipVisionConfig, siglipVisionConfigSchema } from "./config.ts";
export { type SiglipForward, siglipForward } from "./forward.ts";
export { initSiglip } from "./init.ts";
export { siglipShapes } from "./names.ts";
export { selectFeatures } from "./select.ts";
