export type { LocatedTensor } from "./located.ts";
export { readSafetensors } from "./read.ts";
export { openWeights, readWeights, streamWeights, type Weights } from "./weights.ts";
export { type StreamedTensor, writeSafetensors } from "./write.ts";
export { type WriteWeights, writeWeights } from "./write-weights.ts";
