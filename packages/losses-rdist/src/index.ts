export { alignedLayers } from "./aligned-layers.ts";
export { type AttentionAlignmentOptions, attentionAlignment } from "./attention-alignment.ts";
export { type BildOptions, bild } from "./bild.ts";
export { hiddenCosine } from "./hidden-cosine.ts";
export { hiddenMse } from "./hidden-mse.ts";
export type { HiddenOptions } from "./hidden-pair.ts";
export { type RdistForm, type RdistOptions, rdist } from "./rdist.ts";
export { type RelationForm, type SelfCorrelationsOptions, selfCorrelations } from "./self-correlations.ts";
