import { memory, tensor, useBackend } from "@kd/tensor-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../../tensor-core/test/engines.ts";
import { runsOf } from "../../tensor-core/test/runs.ts";
import { topIds } from "./top-ids.ts";

describe.each(syncEngines)("topIds on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it("are the ids of a sorted row, whatever its length and blocks", () => {
    const given = fc.integer({ min: 1, max: 300 }).chain((ids) =>
      fc.record({
        k: fc.integer({ min: 1, max: Math.min(ids, 9) }),
        rows: fc.array(
          fc.shuffledSubarray(
            Array.from({ length: ids }, (_, i) => i - ids / 2),
            { minLength: ids, maxLength: ids },
          ),
          { minLength: 1, maxLength: 3 },
        ),
      }),
    );
    fc.assert(
      fc.property(given, ({ rows, k }) => {
        const t = tensor(rows);
        const before = memory().numTensors;
        const got = topIds(t, k);
        expect(got.dtype).toBe("int32");
        expect(got.arraySync()).toEqual(
          rows.map((row) => [...row.keys()].sort((a, b) => (row[b] as number) - (row[a] as number)).slice(0, k)),
        );
        got.dispose();
        expect(memory().numTensors).toBe(before);
        t.dispose();
      }),
      runsOf(2, 100),
    );
  });
});
