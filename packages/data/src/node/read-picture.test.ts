import { readFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import { expect, it } from "vitest";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { decodePicture, pictureBytes } from "./index.ts";

const { picture, path } = temporaryFolder();

it("refuses a picture of too many pixels by its header", async () => {
  const bytes = Buffer.from(readFileSync(await picture("bomb.png", 7)));
  bytes.writeUInt32BE(20_000, 16); // width and height in IHDR, and the chunk's checksum
  bytes.writeUInt32BE(20_000, 20);
  bytes.writeUInt32BE(crc32(bytes.subarray(12, 29)), 29);
  await expect(decodePicture({ bytes, where: "t[0] image", sha256: "" })).rejects.toMatchObject({
    code: "KD_DATA",
    message: expect.stringMatching(/^t\[0\] image: expected .*pixel/),
  });
});

it("reads what came inside a record, or the file that it names, and names what is missing", async () => {
  await picture("a.png", 9);
  const pictures = new Map([["#0", readFileSync(`${path}/a.png`)]]);
  const record = { value: {}, where: "t[1]", imageFolder: path, pictures };
  const [inside, outside] = [await pictureBytes(record, "#0"), await pictureBytes(record, "a.png")];
  expect(inside.sha256).toBe(outside.sha256);
  expect((await decodePicture(outside)).data.every((level) => level === 9)).toBe(true);
  await expect(pictureBytes(record, "#1")).rejects.toThrow(/^t\[1\] image "#1": expected a file inside/);
});
