import { expect, it } from "vitest";
import type { BenchmarkRow } from "../data/benchmark.ts";
import { majorityFloor } from "./floors.ts";

const record = (task: "name" | "presence", answer: string) => ({ id: "", image: "", task, question: "", answer });
const row = (task: BenchmarkRow["task"], answer: string, cell: BenchmarkRow["cell"] = "test_vendor") => ({
  id: "",
  image: "",
  task,
  question: "",
  answer,
  cell,
});

it("answers every task with its most frequent training answer, on the headline cell alone", () => {
  const records = [record("name", "dog"), record("name", "dog"), record("name", "cat"), record("presence", "yes")];
  const rows = [
    row("name", "dog"),
    row("name", "cat"),
    row("presence_random", "yes"),
    row("presence_adversarial", "no"),
    row("name", "dog", "val_concept"),
  ];
  expect(majorityFloor(rows, records).tasks).toMatchObject({
    name: 50,
    presence_random: 100,
    presence_adversarial: 0,
    presence: 50,
  });
});
