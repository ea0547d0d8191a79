export { swigluFwd, swigluBwd, geluFwd, geluBwd, rope } from "./activations";
export { adamw } from "./adamw";
export { attentionFwd, attentionBwd } from "./attention";
export { gemm, scratchBytes, setScratch } from "./gemm";
export { layerNormFwd, layerNormBwd, rmsFwd, rmsBwd } from "./norms";
export { ceKlRows } from "./row-losses";
export { addBias, colSum, copy, gatherRows, putRows, segAdd, sumOfSquares, zero } from "./rows";
