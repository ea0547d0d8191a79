import { beforeAll, describe, expect, it } from "vitest";
import { engines, valuesOf } from "../test/engines.ts";
import { memory, unfilledTensor, useBackend } from "./index.ts";

describe.each(engines)("a tensor to fill on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it("is the memory that was filled, on wasm alone", async () => {
    const before = memory().numTensors;
    const unfilled = unfilledTensor([2, 2]);
    expect(unfilled !== undefined).toBe(engine === "wasm");
    if (unfilled === undefined) return;
    unfilled.bytes.set(new Uint8Array(Float32Array.of(1, -2, 3, 0.5).buffer));
    expect(unfilled.tensor.shape).toEqual([2, 2]);
    expect([...(await valuesOf(unfilled.tensor))]).toEqual([1, -2, 3, 0.5]);
    unfilled.tensor.dispose();
    expect(memory().numTensors).toBe(before);
  });
});
