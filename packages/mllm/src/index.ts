export { mergeAdapter, withAdapter } from "./adapter.ts";
export { type LlavaConfig, parseLlavaConfig } from "./config.ts";
export { type EmbedInputs, embedInputs, type LlavaBatch } from "./embed-inputs.ts";
export { computeFeatures, createFeatureCache, type FeatureCache } from "./feature-cache.ts";
export { type GenerateOptions, generate, generateStream } from "./generate.ts";
export { initLlava, trainableParams } from "./init.ts";
export { type CreateLlava, createLlava, type Llava } from "./llava.ts";
export { type ModelCard, type ModelCardResult, modelCard } from "./model-card.ts";
export { modelHash } from "./model-hash.ts";
export { llavaShapes } from "./names.ts";
export { type TiledPicture, tiledTokens } from "./pack-tiles.ts";
export { towerHash } from "./tower-hash.ts";
export {
  checkSameVisualTokens,
  checkVocabulary,
  explainVisualTokens,
  featureWidth,
  visualTokens,
} from "./visual-tokens.ts";
