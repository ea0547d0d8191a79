import type { RdistForm } from "@kd/losses-rdist";

/** Weights of a distilling stage's terms beside the cross-entropy, whose weight is 1. */
export interface DistillWeights {
  /** Of the KL on response rows. */
  readonly alpha: number;
  /** Of the KL on visual rows. */
  readonly beta: number;
  /** Of RDist. */
  readonly gamma: number;
  /** Which relation RDist distils; `over: "own-vocabulary"` or `"hidden"` needs no common tokenizer, for alpha and beta of 0. */
  readonly rdist: RdistForm;
}

/** `paper`: arXiv 2410.16236. `release`: the authors' code. */
export const presets: { readonly paper: DistillWeights; readonly release: DistillWeights } = {
  paper: { alpha: 1, beta: 1, gamma: 0.5, rdist: { flavour: "per-span" } },
  release: { alpha: 1, beta: 1, gamma: 1, rdist: { flavour: "whole-batch" } },
};

/** A stage as data; write your own beside the four of {@link stages}. */
export interface StageRecord {
  /** Named in errors. */
  readonly name: string;
  /** Groups of the model that it trains. */
  readonly trains: readonly ("vision" | "projector" | "slm")[];
  /** Without it, cross-entropy alone. */
  readonly distills: boolean;
  /** Peak, as in the paper. */
  readonly learningRate: number;
}

/** Pre-training and fine-tuning, each without (`pt`, `sft`, the controls) and with (`dpt`, `dft`) distillation. */
export const stages: { readonly [name in "pt" | "dpt" | "sft" | "dft"]: StageRecord } = {
  pt: { name: "pt", trains: ["projector"], distills: false, learningRate: 1e-3 },
  dpt: { name: "dpt", trains: ["projector"], distills: true, learningRate: 1e-3 },
  sft: { name: "sft", trains: ["projector", "slm"], distills: false, learningRate: 2e-5 },
  dft: { name: "dft", trains: ["projector", "slm"], distills: true, learningRate: 2e-5 },
};
