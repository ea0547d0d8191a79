import { expect, it } from "vitest";
import { parseConversation, parseConversations } from "./index.ts";

const human = { from: "human", value: "q" };
const gpt = { from: "gpt", value: "a" };

it("reads rounds, one image or several, and drops a greeting", () => {
  const one = parseConversation({ id: 7, image: "a.png", conversations: [gpt, human, gpt, human, gpt] }, "x");
  expect(one).toEqual({ id: "7", images: ["a.png"], rounds: Array(2).fill({ question: "q", answer: "a" }) });
  expect(parseConversation({ image: ["a", "b"], conversations: [human, gpt] }, "x").images).toEqual(["a", "b"]);
});

it.each([
  [{ id: "x" }, /t\.json\[0\] \(id x\): not a LLaVA record/],
  [{ conversations: [] }, /t\.json\[0\]: not a LLaVA record/],
  [{ conversations: [{ from: "system", value: "" }] }, /t\.json\[0\]: not a LLaVA record/],
  [{ conversations: [{ from: "human", value: 3 }] }, /conversations\[0\]\.value/],
  [{ id: "r", conversations: [human] }, /t\.json\[0\] \(id r\): expected human and gpt turns in pairs, got human/],
  [{ conversations: [human, human] }, /^t\.json\[0\]: expected human and gpt turns in pairs, got human, human/],
  [null, /t\.json\[0\]: not a LLaVA record/],
])("names file and index of %j", (record, message) => {
  expect(() => parseConversations([record], { file: "t.json" })).toThrow(message);
});

it("wants an array", () => {
  expect(() => parseConversations({}, { file: "t.json" })).toThrow(/t\.json: expected an array of records, got object/);
});
