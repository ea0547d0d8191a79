import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { pictureBytes, readImage } from "./index.ts";

const { picture, path } = temporaryFolder();

it("reads what came inside a record, or the file that it names, and names what is missing", async () => {
  await picture("a.png", 9);
  const pictures = new Map([["#0", readFileSync(`${path}/a.png`)]]);
  const record = { value: {}, where: "t[1]", imageFolder: path, pictures };
  const [inside, outside] = [await pictureBytes(record, "#0"), await pictureBytes(record, "a.png")];
  expect(inside.sha256).toBe(outside.sha256);
  expect((await readImage(outside.bytes)).data.every((level) => level === 9)).toBe(true);
  await expect(pictureBytes(record, "#1")).rejects.toThrow(/^t\[1\] image "#1": expected a file inside/);
});
