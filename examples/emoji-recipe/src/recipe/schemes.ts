import { join } from "node:path";
import type { DistillWeights, stages } from "@kd/stages";

/** A chain of stages by the paper's names. */
export type Scheme = "PT-SFT" | "PT-SFT-SFT" | "DPT-SFT" | "PT-SFT-DFT" | "DPT-SFT-SFT" | "DPT-SFT-DFT";

/** Equal passes, no teacher: without it no gain can be called distillation's. */
export const CONTROL: Scheme = "PT-SFT-SFT";
export const STUDENT: Scheme = "DPT-SFT-DFT";
export const ALL_SCHEMES: readonly Scheme[] = ["PT-SFT", CONTROL, "DPT-SFT", "PT-SFT-DFT", "DPT-SFT-SFT", STUDENT];
/** The control trained on until it has had the student's CPU time: what the teacher's forward passes would buy otherwise. */
const EQUAL_CPU: string = "PT-SFT-SFT at equal CPU time";

/** How long the stages are, and on how much. */
export interface Budget {
  /** Steps of the first stage (projector alone). */
  readonly first: number;
  /** Steps of the second stage. */
  readonly second: number;
  /** Steps of the third stage. */
  readonly third: number;
  readonly learningRate: number;
  /** Train and test on every n-th picture alone, unchanged; 1 = on all, in several views. */
  readonly everyNth: number;
}

/** 300 and 600 steps of 64 records at 3e-3, as in the PyTorch study; the paper's 1e-3 and 2e-5 are for billions of parameters. */
export const FULL_BUDGET: Budget = { first: 300, second: 600, third: 600, learningRate: 3e-3, everyNth: 1 };
/** Enough to see it move, not to judge by. */
export const QUICK_BUDGET: Budget = { first: 40, second: 60, third: 60, learningRate: 3e-3, everyNth: 6 };

export interface ChainStage {
  readonly stage: keyof typeof stages;
  /** The chain so far, in lower case: the name of the stage in its run, and of the run that ends with it. */
  readonly prefix: string;
  readonly steps: number;
  /** Of a distilling stage. @defaultValue the paper's */
  readonly weights?: DistillWeights;
}

/** Stages one after another, under the name that reports show. */
export interface Chain {
  readonly name: string;
  readonly stages: readonly ChainStage[];
}

/** The stages of a scheme, in order. */
export function chainOf(scheme: Scheme, budget: Budget, weights?: DistillWeights): Chain {
  const names = scheme.toLowerCase().split("-") as (keyof typeof stages)[];
  const steps = [budget.first, budget.second, budget.third];
  return {
    name: scheme,
    stages: names.map((stage, i) => ({
      stage,
      prefix: names.slice(0, i + 1).join("-"),
      steps: steps[i] as number,
      ...(weights === undefined || !stage.startsWith("d") ? {} : { weights }),
    })),
  };
}

/** The control with another length of its last stage. */
export function equalCpuChain(budget: Budget, steps: number): Chain {
  const { stages: chain } = chainOf(CONTROL, budget);
  return { name: EQUAL_CPU, stages: [...chain.slice(0, 2), { stage: "sft", prefix: "pt-sft-sft-equal-cpu", steps }] };
}

/** The folder of a chain's run, under its seed's. */
export const runFolder = (folder: string, { stages: chain }: Chain): string =>
  join(folder, (chain.at(-1) as ChainStage).prefix);

/** Chains that share their first stage, so that one process trains it once. */
export function groupByFirstStage(chains: readonly Chain[]): Chain[][] {
  const groups = new Map<string, Chain[]>();
  for (const chain of chains) {
    const first = chain.stages[0]?.stage as string;
    groups.set(first, [...(groups.get(first) ?? []), chain]);
  }
  return [...groups.values()];
}
