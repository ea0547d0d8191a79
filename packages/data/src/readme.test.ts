import { join } from "node:path";
import { expect, it } from "vitest";
import { runReadme } from "../../../scripts/run-readme.ts";
import { tokenizerJson } from "../test/tiny-tokenizer.ts";
import * as data from "./index.ts";

it("the README's example runs", async () => {
  const conversations = [
    { from: "human", value: "<image>\nwhat is it ?" },
    { from: "gpt", value: "a star" },
  ];
  const given = { tokenizerJson, records: [{ id: "r1", image: "star.png", conversations }] };
  const [shape, spans] = await runReadme(join(import.meta.dirname, ".."), { "@kd/data": data }, given);
  expect((shape as number[])[1]).toBeGreaterThan(729);
  expect(spans).toEqual([{ sample: 0, start: expect.any(Number), length: 729, image: 0 }]);
});
