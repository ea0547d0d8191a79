import type { AllReduce } from "@kd/contract";
import { type Tensor, tensor } from "@kd/tensor-core";

/** Numbers summed over all ranks, in float32; as they are without a group. */
export async function numbersOverRanks(
  numbers: Readonly<Record<string, number>>,
  allReduce: AllReduce | undefined,
): Promise<Record<string, number>> {
  if (allReduce === undefined) return { ...numbers };
  const names = Object.keys(numbers).sort(); // ranks may have met them in another order
  const sums = Float32Array.from(names, (name) => numbers[name] as number);
  await allReduce.sum([sums]);
  return Object.fromEntries(names.map((name, i) => [name, sums[i] as number]));
}

/** Replaces every tensor of the list by its sum over all ranks. */
export async function tensorsOverRanks(tensors: Tensor[], allReduce: AllReduce | undefined): Promise<void> {
  if (allReduce === undefined) return;
  const arrays: Float32Array[] = [];
  for (const t of tensors) arrays.push(Float32Array.from((await t.data()) as Float32Array)); // an engine may give its own memory
  await allReduce.sum(arrays);
  for (const [i, t] of tensors.entries()) {
    tensors[i] = tensor(arrays[i] as Float32Array, t.shape);
    t.dispose();
  }
}
