import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { expect, it } from "vitest";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { insideFolder } from "./index.ts";

const { path, at, write } = temporaryFolder();
const folder = at("data");
write("secret.png", "secret");
write("data/a.png", "a");
write("data/sub/b c.png", "b");
write("data-other/c.png", "c");
symlinkSync(at("secret.png"), at("data/link.png"));
symlinkSync(path, at("data/up"));
symlinkSync(at("data/a.png"), at("data/inner.png"));
symlinkSync("/dev/zero", at("data/zero.png"));
mkdirSync(at("data/folder.png"));
const inside = (name: string, linkedFolders: string[] = []) =>
  insideFolder(folder, name, { where: "t[3]", linkedFolders });

it("gives the real path of files inside", async () => {
  expect(await inside("a.png")).toBe(at("data/a.png"));
  expect(await inside("./sub//b c.png")).toBe(at("data/sub/b c.png"));
  expect(await inside("inner.png")).toBe(at("data/a.png"));
});

it.each([
  "",
  "../secret.png",
  "sub/../../secret.png",
  "/etc/passwd",
  "\\\\server\\share",
  "..\\secret.png",
  "C:\\x.png",
  "C:x.png",
  "file:///etc/passwd",
  "http://x/y.png",
  "data:image/png;base64,AA",
  "a.png\0.jpg",
  "a\n.png",
  "~/x.png",
  "link.png",
  "up/secret.png",
  "up/data-other/c.png",
  "zero.png",
  "folder.png",
  "none.png",
  "a.png/x",
  ".",
  "x".repeat(5000),
])("refuses %j", async (name) => {
  await expect(inside(name)).rejects.toMatchObject({
    code: "KD_DATA",
    message: expect.stringMatching(/^t\[3\] image "/),
  });
});

it("follows links into folders that are named", async () => {
  expect(await inside("up/data-other/c.png", [at("data-other")])).toBe(at("data-other/c.png"));
  await expect(inside("link.png", [at("data-other")])).rejects.toThrow(/links lead to .*secret\.png, outside/);
});

it.skipIf(process.platform === "win32")("does not wait for a pipe", async () => {
  execFileSync("mkfifo", [at("data/pipe.png")]);
  await expect(inside("pipe.png")).rejects.toThrow(/expected a file of at most 256 MiB, got none/);
});
