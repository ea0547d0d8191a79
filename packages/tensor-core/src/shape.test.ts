import { beforeAll, expect, it } from "vitest";
import { oneEngine } from "../test/engines.ts";
import { useBackend, zeros } from "./index.ts";
import { assertShapes } from "./shape.ts";

beforeAll(async () => {
  await useBackend({ engine: oneEngine("cpu") });
});

it("binds a letter once and names the argument that disagrees", () => {
  assertShapes("op", { a: [zeros([2, 3]), "B T"], b: [zeros([3, 4]), "T 4"] });
  expect(() => assertShapes("op", { a: [zeros([2, 3]), "B T"], b: [zeros([2, 5]), "B T"] })).toThrow(
    "op: b must be [B T] with T=3, got [2, 5]",
  );
  expect(() => assertShapes("op", { a: [zeros([2]), "B T"] })).toThrow("op: a must be [B T], got [2]");
});
