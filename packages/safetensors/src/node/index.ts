export type { LocatedTensor } from "./located.ts";
export { readSafetensors } from "./read.ts";
export { openWeights, readWeights, type StreamWeights, streamWeights, type Weights } from "./weights.ts";
export { type StreamedTensor, writeSafetensors } from "./write.ts";
export { type WriteWeights, writeWeights } from "./write-weights.ts";
