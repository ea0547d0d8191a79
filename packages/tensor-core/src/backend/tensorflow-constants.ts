import type { NodeBinding } from "./tensorflow-ops.ts";

const LIMIT = 1024; // a program meets few shapes and rates: more of them will not come back

/** Small values that operations read again and again: scalars, axes, shapes. */
export interface Constants {
  float(value: number): number;
  int(value: number): number;
  ints(values: readonly number[]): number;
  /** Frees them all when there are many; only between operations. */
  trim(): void;
}

export function createConstants(binding: NodeBinding): Constants {
  const ids = new Map<string | number, number>();
  const find = (key: string | number, make: () => number): number => {
    const id = ids.get(key) ?? make();
    ids.set(key, id);
    return id;
  };
  return {
    float: (value) => find(value, () => binding.createTensor([], binding.TF_FLOAT, Float32Array.of(value))),
    int: (value) => find(`${value}`, () => binding.createTensor([], binding.TF_INT32, Int32Array.of(value))),
    ints: (values) =>
      find(`[${values.join()}]`, () =>
        binding.createTensor([values.length], binding.TF_INT32, Int32Array.from(values)),
      ),
    trim() {
      if (ids.size < LIMIT) return;
      for (const id of ids.values()) binding.deleteTensor(id);
      ids.clear();
    },
  };
}
