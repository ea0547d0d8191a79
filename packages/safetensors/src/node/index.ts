export { readSafetensors } from "./read.ts";
export { readWeights } from "./weights.ts";
export { writeSafetensors } from "./write.ts";
