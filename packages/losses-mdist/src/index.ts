export { type CrossEntropyOptions, crossEntropy } from "./cross-entropy.ts";
export { type ForwardKlOptions, forwardKl } from "./forward-kl.ts";
export { type Mdist, type MdistOptions, mdist } from "./mdist.ts";
