export { featureRows, parseVisionConfig, patchesOf, type VisionConfig, visionConfigSchema } from "./config.ts";
export { type VisionForward, visionForward } from "./forward.ts";
export { initVision } from "./init.ts";
export { visionShapes } from "./names.ts";
export { selectFeatures } from "./select.ts";
export type { TowerType } from "./towers.ts";
