import { expect, it } from "vitest";
import { inverseFrequencies } from "./rope.ts";

const plain = { headDim: 16, theta: 10000, scaling: undefined };
const llama3 = {
  rope_type: "llama3",
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 64,
} as const;

// transformers 4.57.6, ROPE_INIT_FUNCTIONS, in float32
it.each([
  [
    "default",
    plain,
    [1.0, 0.316227764, 0.100000001, 0.0316227786, 0.00999999978, 0.00316227786, 0.00100000005, 0.000316227786],
  ],
  [
    "linear",
    { ...plain, scaling: { rope_type: "linear", factor: 4 } as const },
    [0.25, 0.079056941, 0.0250000004, 0.00790569466, 0.00249999994, 0.000790569466, 0.000250000012, 7.90569466e-5],
  ],
  [
    "llama3",
    { ...plain, scaling: llama3 },
    [1.0, 0.244384587, 0.0130422562, 0.00395284733, 0.00124999997, 0.000395284733, 0.000125000006, 3.95284733e-5],
  ],
])("%s frequencies are transformers'", (_, config, expected) => {
  for (const [i, frequency] of inverseFrequencies(config).entries())
    expect(Math.abs(frequency / (expected[i] as number) - 1)).toBeLessThan(2e-7);
});
