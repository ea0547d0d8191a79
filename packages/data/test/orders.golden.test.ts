import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { epochOrder, type SamplerName, torchPermutation, torchRandom } from "../src/index.ts";

interface Case {
  readonly kind: string;
  readonly seed: number;
  readonly batchSize: number;
  readonly worldSize: number;
  readonly lengths: readonly number[];
  readonly "modality-length": readonly number[];
  readonly "modality-length-llava": readonly number[];
  readonly length: readonly number[];
}
interface Orders {
  readonly permutations: readonly { count: number; seed: number; first: number[]; sha256: string }[];
  readonly cases: readonly Case[];
  readonly large: Omit<Case, "kind" | SamplerName> & Record<"modality-length" | "length", string>;
}
const { permutations, cases, large } = JSON.parse(
  readFileSync(join(import.meta.dirname, "orders/orders.json"), "utf8"),
) as Orders;
const digest = (order: ArrayLike<number>): string =>
  createHash("sha256").update(Array.from(order).join()).digest("hex");

it.each(permutations)("torch.randperm($count) of seed $seed", ({ count, seed, first, sha256 }) => {
  const order = torchPermutation(count, torchRandom(seed));
  expect([...order.subarray(0, 8)]).toEqual(first);
  expect(digest(order)).toBe(sha256);
});

it.each(
  cases.flatMap((each) =>
    (["modality-length", "modality-length-llava", "length"] as const).map((sampler) => ({ ...each, sampler })),
  ),
)("$sampler of $lengths.length $kind, seed $seed, $worldSize × $batchSize", ({ sampler, lengths, ...options }) => {
  const order = epochOrder(lengths, { ...options, sampler, epoch: 0 });
  expect([...Array.from(order)]).toEqual(cases.find((each) => each.lengths === lengths)?.[sampler]);
});

it("the same for 20,000 records, and an epoch is the next seed", () => {
  for (const sampler of ["modality-length", "length"] as const) {
    expect(digest(epochOrder(large.lengths, { ...large, sampler, epoch: 0 }))).toBe(large[sampler]);
    expect(digest(epochOrder(large.lengths, { ...large, sampler, seed: large.seed - 3, epoch: 3 }))).toBe(
      large[sampler],
    );
  }
});

it("names a sampler that does not exist, and sizes that cannot be", () => {
  const options = { seed: 0, epoch: 0, batchSize: 2 };
  expect(() => epochOrder([1], { ...options, sampler: "longest" as SamplerName })).toThrow(/got longest/);
  expect(() => epochOrder([1], { ...options, sampler: "shuffle", batchSize: 0 })).toThrow(
    /batchSize of at least 1, got 0/,
  );
});
