export { swigluFwd, swigluBwd, geluFwd, geluBwd, rope } from "./activations";
export { adamw, sumOfSquares } from "./adamw";
export { attentionFwd, attentionBwd, attentionScratch } from "./attention";
export { gemm, ownGemm, scratchBytes, setHostFrom, setScratch } from "./gemm";
export { layerNormFwd, layerNormBwd, rmsFwd, rmsBwd } from "./norms";
export { rowLosses, topKLosses } from "./row-losses";
export { addBias, colSum, copy, gatherRows, putRows, segAdd, zero } from "./rows";
