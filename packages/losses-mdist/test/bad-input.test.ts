import { reshape, tidy, useBackend } from "@kd/tensor-core";
import { beforeAll, describe, expect, it } from "vitest";
import { memoryEngines } from "../../tensor-core/test/engines.ts";
import { jsd, skewedForwardKl } from "../src/index.ts";
import { losses } from "./losses.ts";
import { matrix } from "./matrices.ts";
import { lossAt } from "./measure.ts";

// what a label, an id or NaN is can be seen here without waiting for a device
describe.each(memoryEngines)("on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  describe.each(Object.entries(losses))("%s", (name, { run }) => {
    const student = [
      [1, 2, 3],
      [0, 1, 0],
    ];
    const teacher = [
      [3, 1, 0],
      [2, 2, 2],
    ];

    it("names what is wrong", () => {
      const given = () => ({ student: matrix(student), teacher: matrix(teacher) });
      const expectError = (options: object, message: RegExp) =>
        expect(() => tidy(() => void run({ ...given(), ...options }))).toThrow(message);
      const own = (name.startsWith("topK") ? "topK(ForwardKl|Rows)" : name.split(",")[0]) as string;
      expectError(
        {
          student: matrix([
            [Number.NaN, 1, 2],
            [0, 0, 0],
          ]),
        },
        new RegExp(`^${own}: student must hold finite numbers, got NaN in row 0`),
      );
      expectError(
        {
          teacher: matrix([
            [1, 1, 2],
            [0, Number.POSITIVE_INFINITY, 0],
          ]),
        },
        new RegExp(`^${own}: (teacher|rows) must hold finite numbers, got Infinity in row 1`),
      );
      expectError(
        { teacher: matrix([[1, 2, 3]]) },
        new RegExp(`^${own}: teacher(.ids)? must be \\[R [WK]\\] with R=2, got \\[1, 3\\]`),
      );
      expectError({ rows: Int32Array.of(2) }, /index must be in 0…1, got 2/);
      for (const temperature of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
        expectError({ temperature }, new RegExp(`^${own}: temperature must be above 0 and finite, got ${temperature}`));
      for (const count of [0, -1, Number.NaN])
        expectError({ count }, new RegExp(`^${own}: count must be above 0 for 2 rows, got ${count}`));
      expectError(
        { rowWeights: [1, -1] },
        new RegExp(`^${own}: rowWeights must be at least 0 and finite, got -1 for row 1`),
      );
      expectError({ rowWeights: [1] }, new RegExp(`^${own}: rowWeights must be one for each of 2 rows, got 1`));
      expectError({ chunkSize: 0 }, new RegExp(`^${own}: chunkSize must be at least 1, got 0`));
      for (const vocabulary of [0, 4, 1.5])
        expectError({ vocabulary }, new RegExp(`vocabulary must be a whole number from 1 to 3.*got ${vocabulary}`));
      if (!name.startsWith("topK"))
        expectError({ student: reshape(given().student, [6]) }, new RegExp(`^${own}: student must be \\[R V\\]`));
    });
  });

  it("names a β or α that cannot be", () => {
    const given = { student: [[1, 2]], teacher: [[2, 1]] };
    for (const beta of [0, 1, -0.1, Number.NaN])
      expect(() => lossAt((o) => jsd({ ...o, beta }), given)).toThrow(/^jsd: beta must be between 0 and 1 .*, got/);
    for (const alpha of [1, -0.1, Number.NaN]) {
      expect(() => lossAt((o) => skewedForwardKl({ ...o, alpha }), given)).toThrow(
        /^skewedForwardKl: alpha must be .*, got/,
      );
    }
  });
});
