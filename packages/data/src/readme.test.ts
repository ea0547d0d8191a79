import { join } from "node:path";
import { expect, it } from "vitest";
import { runReadme } from "../../../scripts/run-readme.ts";
import { record, temporaryFolder } from "../test/temporary-folder.ts";
import { tokenizerJson } from "../test/tiny-tokenizer.ts";
import * as data from "./index.ts";
import * as node from "./node/index.ts";

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

it("the README's second example runs", async () => {
  const { path, picture, write } = temporaryFolder();
  await picture("images/star.png", 9);
  write("tokenizer.json", JSON.stringify(tokenizerJson));
  write("train.json", JSON.stringify([record(0, { image: "star.png" })]));
  const printed = await runReadme(join(import.meta.dirname, ".."), { "@kd/data/node": node }, { folder: path }, 1);
  expect(printed).toEqual([[1, expect.any(Number)], [`${path}/train.json[0]`], { epoch: 1, offset: 0 }]);
});
