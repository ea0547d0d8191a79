import { expect, it } from "vitest";
import { record, temporaryFolder } from "../../test/temporary-folder.ts";
import { formatInspection } from "../index.ts";
import { inspectData, openSource } from "./index.ts";

const { write, picture } = temporaryFolder();
const turns = (question: string, answer: string) => [
  { from: "human", value: question },
  { from: "gpt", value: answer },
];

it("counts records, finds what is bad, double, and shared between splits", async () => {
  await picture("a.png", 1);
  await picture("b.png", 2);
  await picture("a-again.png", 1);
  write("bad.png", "no");
  const train = [
    { image: "a.png", conversations: turns("<image>\nwhat ?", "a star") },
    { image: "a-again.png", conversations: turns("what ?\n<image>", "a  star") }, // double: same bytes, same text
    { image: "b.png", conversations: turns("<image>\nwhat ?", "a moon") },
    { conversations: turns("hello", "a\u001b[31m red <b>") },
    { id: 4 },
    { image: "none.png", conversations: turns("<image>", "x") },
    { image: "bad.png", conversations: turns("<image>", "y") },
  ];
  const test = [
    record(0, { image: "a.png" }),
    { image: "b.png", conversations: turns("<image>\nwhat ?", "a star") },
    record(2),
  ];
  const sources = [
    { source: await openSource(write("train.json", JSON.stringify(train)), { name: "train.json" }) },
    { source: await openSource(write("test.json", JSON.stringify(test)), { name: "test.json" }), split: "test" },
  ];
  const encode = ({ rounds }: { rounds: readonly unknown[] }) => ({
    inputIds: Array(10 * rounds.length),
    labels: [-100, 3, 4],
  });
  const found = await inspectData(sources, { encode, pictures: "decode" });
  expect(found.sources).toMatchObject([
    { name: "train.json", split: "train", records: 7, bad: 3, withPictures: 3, textOnly: 1, pictures: 3, rounds: 4 },
    { name: "test.json", split: "test", records: 3, bad: 0, withPictures: 2, textOnly: 1 },
  ]);
  expect(found.bad.examples.map(({ where }) => where)).toEqual(["train.json[4]", "train.json[5]", "train.json[6]"]);
  expect(found.duplicates).toEqual({ count: 1, examples: [{ where: "train.json[1]", sameAs: "train.json[0]" }] });
  expect(found.leaks.pictures).toEqual({
    count: 2,
    examples: [
      { where: "test.json[0]", sameAs: "train.json[0]" },
      { where: "test.json[1]", sameAs: "train.json[2]" },
    ],
  });
  expect(found.leaks.texts).toEqual({ count: 1, examples: [{ where: "test.json[1]", sameAs: "train.json[0]" }] });
  expect(found.distinctPictures).toBe(2);
  expect(found.words).toMatchObject({ count: 7, min: 4 });
  expect(found.tokens).toMatchObject({ min: 10, max: 10, histogram: [{ from: 8, to: 16, count: 7 }] });
  expect(found.supervised?.max).toBe(2);
  expect(found.samples.map(({ where }) => where)).toEqual([
    "train.json[0]",
    "train.json[3]",
    "test.json[0]",
    "test.json[1]",
  ]);
  const text = formatInspection(found);
  expect(text).toContain("train.json (train): 7 records, 3 with pictures, 1 text only");
  expect(text).toContain("test.json[1] = train.json[0]");
  expect(text).toContain("a [31m red <b>"); // the escape character is gone
  expect(text).not.toContain("\u001b");
  const heard: [done: number, total: number][] = [];
  const blind = await inspectData(sources, { pictures: "none", onRecord: (...each) => heard.push(each) });
  expect(heard).toEqual(Array.from({ length: 10 }, (_, i) => [i + 1, 10]));
  expect(blind).toMatchObject({ tokens: undefined, distinctPictures: 0, bad: { count: 1 } });
  for (const { source } of sources) await source.close();
});

it("counts tags that do not fit the pictures as bad, model or none: no template takes them", async () => {
  const records = [
    { image: "a.png", conversations: turns("no tag", "x") },
    { conversations: turns("<image>\na tag", "x") },
    { image: "a.png", conversations: turns("<image>", "an answer <image>") },
    { image: ["a.png", "a.png"], conversations: turns("<image> and <image>", "x") },
  ];
  const source = await openSource(write("tags.json", JSON.stringify(records)), { name: "tags" });
  const { bad } = await inspectData([{ source }], { pictures: "none" });
  await source.close();
  expect(bad.examples.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^tags\[0\]: .*expected one <image> an image, got 0 tags and 1 images/),
    expect.stringMatching(/^tags\[1\]: .*got 1 tags and 0 images/),
    expect.stringMatching(/^tags\[2\]: .*expected no <image> in an answer/),
  ]);
});

it("describes nothing", async () => {
  const source = await openSource(write("one.jsonl", '{"id":1}'), { name: "one" });
  const found = await inspectData([{ source }]);
  await source.close();
  expect(found).toMatchObject({ words: { count: 0, max: 0, histogram: [] }, bad: { count: 1 }, samples: [] });
  expect(formatInspection(found)).toContain("bad records: 1");
});
