import { beforeAll, describe, expect, it } from "vitest";
import { engines, valuesOf } from "../../test/engines.ts";
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

describe.each(engines)("selectRows on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });
  const table = () => tensor2d([1, 2, 3, 4, 5, 6], [3, 2]);

  it("picks rows of logits or of hidden states, and their gradient goes back there", async () => {
    const head = table();
    expect(await selectRows(table(), Int32Array.of(2, 0)).array()).toEqual([
      [5, 6],
      [1, 2],
    ]);
    const factors = selectRows({ hidden: table(), head }, Int32Array.of(1));
    expect(await factors.hidden.array()).toEqual([[3, 4]]);
    expect(factors.head).toBe(head);
    const [gradient] = grads((x: Tensor) => sum(selectRows(x as Tensor2D, Int32Array.of(2))))([table()]);
    expect([...(await valuesOf(gradient as Tensor))]).toEqual([0, 0, 0, 0, 1, 1]);
  });

  it("keeps a constant constant", async () => {
    expect(await selectRows(constant(table()), Int32Array.of(1)).constant.array()).toEqual([[3, 4]]);
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
