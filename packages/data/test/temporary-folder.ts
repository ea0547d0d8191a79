import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { afterAll } from "vitest";

/** A folder of this test file, removed at its end. */
export function temporaryFolder(): {
  path: string;
  at(name: string): string;
  write(name: string, content: string | Uint8Array): string;
  picture(name: string, grey: number): Promise<string>;
} {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "kd-data-")));
  afterAll(() => rmSync(path, { recursive: true }));
  const at = (name: string): string => join(path, name);
  const write = (name: string, content: string | Uint8Array): string => {
    mkdirSync(dirname(at(name)), { recursive: true });
    writeFileSync(at(name), content);
    return at(name);
  };
  const picture = async (name: string, grey: number): Promise<string> =>
    write(
      name,
      await sharp({ create: { width: 6, height: 4, channels: 3, background: { r: grey, g: grey, b: grey } } })
        .png()
        .toBuffer(),
    );
  return { path, at, write, picture };
}

/** A LLaVA record with one question and answer. */
export function record(id: number, { image, words = 3 }: { image?: string; words?: number } = {}): object {
  const conversations = [
    { from: "human", value: image === undefined ? "what is it ?" : "<image>\nwhat is it ?" },
    { from: "gpt", value: Array.from({ length: words }, () => "star").join(" ") },
  ];
  return { id, ...(image === undefined ? {} : { image }), conversations };
}
