import { beforeAll, describe, expect, it } from "vitest";
import {
  constant,
  grads,
  memory,
  selectRows,
  sum,
  type Tensor,
  type Tensor2D,
  tensor2d,
  tidy,
  useBackend,
} from "../index.ts";

describe.each(["cpu", "wasm"] as const)("selectRows on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });
  const table = () => tensor2d([1, 2, 3, 4, 5, 6], [3, 2]);

  it("picks rows of logits or of hidden states, and their gradient goes back there", () => {
    const head = table();
    expect(selectRows(table(), Int32Array.of(2, 0)).arraySync()).toEqual([
      [5, 6],
      [1, 2],
    ]);
    const factors = selectRows({ hidden: table(), head }, Int32Array.of(1));
    expect(factors.hidden.arraySync()).toEqual([[3, 4]]);
    expect(factors.head).toBe(head);
    const [gradient] = grads((x: Tensor) => sum(selectRows(x as Tensor2D, Int32Array.of(2))))([table()]);
    expect([...(gradient as Tensor).dataSync()]).toEqual([0, 0, 0, 0, 1, 1]);
  });

  it("keeps a constant constant", () => {
    expect(selectRows(constant(table()), Int32Array.of(1)).constant.arraySync()).toEqual([[3, 4]]);
  });

  it("names an index that is no row, and frees everything but its result", () => {
    const x = table();
    for (const wrong of [3, -1])
      expect(() => selectRows(x, Int32Array.of(0, wrong))).toThrow(`index must be in 0…2, got ${wrong}`);
    const before = memory().numTensors;
    tidy(() => void selectRows(x, Int32Array.of(0)));
    selectRows(x, Int32Array.of(0)).dispose();
    expect(memory().numTensors).toBe(before);
  });
});
