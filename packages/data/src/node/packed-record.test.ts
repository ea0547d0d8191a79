import { expect, it } from "vitest";
import { readPacked } from "./packed-record.ts";

it("takes a record and its pictures apart", () => {
  const bytes = Buffer.from('{"record":{"id":1},"pictures":[["#0",2],["#1",1]]}\nabc');
  const { value, pictures } = readPacked(bytes, "p[0]");
  expect(value).toEqual({ id: 1 });
  expect([...pictures].map(([name, picture]) => [name, Buffer.from(picture).toString()])).toEqual([
    ["#0", "ab"],
    ["#1", "c"],
  ]);
});

it.each(['{"record":1}\n', "[]\n", '{"record":1,"pictures":[["#0",-1]]}\n', "no JSON\n"])(
  "names a line that was not written by unpacking: %j",
  (line) => {
    let thrown: unknown;
    try {
      readPacked(Buffer.from(line), "p[3]");
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: "KD_DATA", message: expect.stringMatching(/^p\[3\]: expected /) });
  },
);
