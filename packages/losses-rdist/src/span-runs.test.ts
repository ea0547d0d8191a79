import fc from "fast-check";
import { expect, it } from "vitest";
import { runsOf } from "../../tensor-core/test/runs.ts";
import { spanRuns } from "./span-runs.ts";

it("runs hold every span that is not empty, once, and neighbours of one length together", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 9 }), (lengths) => {
      let [row, at] = [0, 0];
      const wanted = lengths.flatMap((n) => {
        const span = { row, at, n };
        row += n;
        at += n * n;
        return n > 0 ? [span] : [];
      });
      const runs = spanRuns(lengths);
      expect(
        runs.flatMap(({ row, at, spans, n }) =>
          Array.from({ length: spans }, (_, i) => ({ row: row + i * n, at: at + i * n * n, n })),
        ),
      ).toEqual(wanted);
      expect(runs).toHaveLength(wanted.filter(({ n }, i) => n !== wanted[i - 1]?.n).length);
    }),
    runsOf(12, 100),
  );
  expect(spanRuns([1, 2, 3, 2])).toHaveLength(4);
});
