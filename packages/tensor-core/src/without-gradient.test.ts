import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../test/engines.ts";
import { grad, memory, mul, sum, type Tensor, tensor1d, tidy, topk, useBackend, withoutGradient } from "./index.ts";

describe.each(syncEngines)("withoutGradient on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it("makes constants, and leaves the gradient of the rest alone", () => {
    const x = tensor1d([1, 3, 2]);
    const before = memory().numTensors;
    const slope = grad((x: Tensor) =>
      sum(
        mul(
          x,
          withoutGradient(() => mul(x, topk(x as never, 1).values)),
        ),
      ),
    )(x);
    expect([...slope.dataSync()]).toEqual([3, 9, 6]);
    slope.dispose();
    expect(memory().numTensors).toBe(before);
  });

  it("records again after an error", () => {
    const x = tensor1d([1, 3]);
    const slope = tidy(() =>
      grad((x: Tensor) => {
        expect(() =>
          withoutGradient(() => {
            throw new Error("no");
          }),
        ).toThrow("no");
        return sum(mul(x, x));
      })(x),
    );
    expect([...slope.dataSync()]).toEqual([2, 6]);
  });
});
