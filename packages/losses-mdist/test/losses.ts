import { type LogitRows, type Scalar, selectRows, type Tensor2D } from "@kd/tensor-core";
import {
  type DivergenceOptions,
  forwardKl,
  jsd,
  reverseKl,
  skewedForwardKl,
  skewedReverseKl,
  softCrossEntropy,
  symmetricKl,
  topKForwardKl,
  topKRows,
  totalVariation,
} from "../src/index.ts";
import { type Definition, definitions, jsdOf, skewedForwardOf, skewedReverseOf } from "./definitions.ts";

export type Run = (options: DivergenceOptions) => Scalar;

export interface Loss {
  readonly run: Run;
  readonly definition: Definition;
  /** Gives the same with student and teacher swapped; itself where it is symmetric. */
  readonly swapped?: Run;
  /** What T²·loss goes to as T grows, in halves of the variance of the logits' differences. */
  readonly heat?: number;
  /** Its largest value at T = 1. */
  readonly most?: number;
  /** It has no gradient where p = q for some outcome. */
  readonly hasKinks?: true;
}

/** Every divergence of this package, and what is known of it besides its definition. */
export const losses: Record<string, Loss> = {
  forwardKl: { run: forwardKl, definition: definitions.forwardKl, swapped: reverseKl, heat: 1 },
  reverseKl: { run: reverseKl, definition: definitions.reverseKl, swapped: forwardKl, heat: 1 },
  symmetricKl: { run: symmetricKl, definition: definitions.symmetricKl, swapped: symmetricKl, heat: 1 },
  "jsd, β ½": { run: jsd, definition: jsdOf(0.5), swapped: jsd, heat: 1 / 4, most: Math.LN2 },
  "jsd, β 0.1": {
    run: (options) => jsd({ ...options, beta: 0.1 }),
    definition: jsdOf(0.1),
    swapped: (options) => jsd({ ...options, beta: 0.9 }),
    heat: 0.09,
    most: -0.1 * Math.log(0.1) - 0.9 * Math.log(0.9),
  },
  "skewedForwardKl, α 0.1": {
    run: skewedForwardKl,
    definition: skewedForwardOf(0.1),
    swapped: skewedReverseKl,
    heat: 0.81,
    most: -Math.log(0.1),
  },
  "skewedReverseKl, α 0.3": {
    run: (options) => skewedReverseKl({ ...options, alpha: 0.3 }),
    definition: skewedReverseOf(0.3),
    swapped: (options) => skewedForwardKl({ ...options, alpha: 0.3 }),
    heat: 0.49,
    most: -Math.log(0.3),
  },
  "skewedReverseKl, α 0": {
    run: (options) => skewedReverseKl({ ...options, alpha: 0 }),
    definition: definitions.reverseKl,
    swapped: (options) => skewedForwardKl({ ...options, alpha: 0 }),
    heat: 1,
  },
  totalVariation: {
    run: totalVariation,
    definition: definitions.totalVariation,
    swapped: totalVariation,
    most: 1,
    hasKinks: true,
  },
  softCrossEntropy: { run: softCrossEntropy, definition: definitions.softCrossEntropy },
  "topKForwardKl, k = V": { run: wholeTopK, definition: definitions.forwardKl, heat: 1 },
};

/** The same rows with every id listed: top-k rows lose nothing. */
function wholeTopK({ teacher, student, vocabulary, ...options }: DivergenceOptions): Scalar {
  const common = vocabulary ?? Math.min(sizeOf(teacher), sizeOf(student as LogitRows));
  const read = options.rows ? selectRows(teacher, options.rows) : teacher;
  const { temperature = 1 } = options;
  return topKForwardKl({ ...options, student, teacher: topKRows(read, common, { vocabulary: common, temperature }) });
}

const sizeOf = (rows: LogitRows): number =>
  "hidden" in rows ? ((rows.head as Tensor2D & { constant?: Tensor2D }).constant ?? rows.head).shape[0] : rows.shape[1];
