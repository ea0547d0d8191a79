import { createRng, type Rng, rowLosses, type Tensor2D, tensor1d, tensor2d, valueAndGrads } from "@kd/tensor-core";
import type { Job } from "./job.ts";
import { collectGarbage, forgetPeak, peakMib, residentMib } from "./memory.ts";

const [STUDENT_WIDTH, TEACHER_WIDTH] = [896, 2048];

export interface KdSizes {
  readonly rows: number;
  readonly vocabulary: number;
  /** @defaultValue the losses' own */
  readonly chunkSize?: number;
}

/** Cross-entropy and forward KL from factors, with gradients of hidden and head. */
export async function kdTerms({ rows, vocabulary, chunkSize }: KdSizes): Promise<Job> {
  // Code and buffers that come with the first use are not memory of the terms.
  await (await termsOf({ rows: 8, vocabulary: 64 })).step();
  const { step, gradientMib } = await termsOf({ rows, vocabulary, ...(chunkSize === undefined ? {} : { chunkSize }) });
  collectGarbage();
  const resettable = forgetPeak();
  const before = residentMib();
  await step();
  const extra = peakMib() - before - gradientMib;
  const config = `${rows}x${vocabulary}`;
  return {
    what: `kd ${config}`,
    run: step,
    facts: { config, ...(resettable ? { extra_mib: Math.round(extra * 10) / 10 } : {}) },
  };
}

async function termsOf({ rows, vocabulary, chunkSize = 256 }: KdSizes) {
  const rng = createRng(1);
  const hidden = normal(rng, rows, STUDENT_WIDTH, 1);
  const head = normal(rng, vocabulary, STUDENT_WIDTH, 0.05);
  const teacher = { hidden: normal(rng, rows, TEACHER_WIDTH, 1), head: normal(rng, vocabulary, TEACHER_WIDTH, 0.05) };
  const labels = tensor1d(
    Int32Array.from({ length: rows }, () => rng.int(vocabulary)),
    "int32",
  );
  const weights = { ceWeight: 1 / rows, klWeight: 1 / rows, chunkSize };
  const terms = valueAndGrads((...student) => {
    const [h, w] = student as [Tensor2D, Tensor2D];
    return rowLosses({ student: { hidden: h, head: w }, labels, teacher, ...weights }).loss;
  });
  const step = async () => {
    const { value, grads } = terms([hidden, head]);
    const [loss] = await value.data();
    for (const tensor of [value, ...grads]) tensor.dispose();
    return loss as number;
  };
  return { step, gradientMib: ((hidden.size + head.size) * 4) / 2 ** 20 };
}

function normal(rng: Rng, rows: number, columns: number, deviation: number): Tensor2D {
  const values = new Float32Array(rows * columns);
  // Uniform with this deviation: drawing 300 million normal numbers would take longer than everything else.
  for (let i = 0; i < values.length; i++) values[i] = (rng.next() - 0.5) * Math.sqrt(12) * deviation;
  return tensor2d(values, [rows, columns]);
}
