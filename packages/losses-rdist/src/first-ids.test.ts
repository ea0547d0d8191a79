import { halfOf, halfTensor, type Tensor2D, tensor2d, useBackend } from "@kd/tensor-core";
import { expect, it } from "vitest";
import { firstIds } from "./first-ids.ts";

it("keeps a head in 16 bits so", async () => {
  await useBackend({ engine: "cpu" });
  const words = Uint16Array.of(0x3f80, 0x4000, 0x4040);
  const head = halfTensor({ format: "bf16", words, shape: [3, 1] }) as Tensor2D;
  const cut = firstIds({ hidden: tensor2d([1], [1, 1]), head }, 2);
  expect(halfOf(cut.head)?.format).toBe("bf16");
  expect([...cut.head.dataSync()]).toEqual([1, 2]);
});
