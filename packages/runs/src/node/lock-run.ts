import { rm, stat, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KdError } from "@kd/contract";

const PATIENCE = 5000; // ms: a process that was killed may take as long to be gone
const TAKING = 10_000; // ms, a thousand times what taking over a file takes

/**
 * Keeps other processes of this machine out of a run's folder. The lock is a name that the kernel gives up with the process, however that
 * ends: a kill leaves nothing behind that would refuse the resume. Gives back what releases it.
 *
 * @throws KdError `KD_CONFIG` where another process is at work in the folder.
 */
export async function lockRun(
  folder: string,
  { patience = PATIENCE }: { readonly patience?: number } = {},
): Promise<() => Promise<void>> {
  const { dev, ino } = await stat(folder, { bigint: true }); // the same by whatever path it is reached
  const name = `kd-run-${dev}-${ino}`;
  const until = performance.now() + patience;
  for (;;) {
    const release = await take(addressOf(name));
    if (release !== undefined) return release;
    if (performance.now() > until)
      throw new KdError(
        "KD_CONFIG",
        `${folder}: expected to be alone in this run's folder, got another process that trains in it; wait for it, end it or choose another folder`,
      );
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function addressOf(name: string): string {
  if (process.platform === "win32") return `\\\\.\\pipe\\${name}`;
  return process.platform === "linux" ? `\0${name}` : join(tmpdir(), `${name}.sock`);
}

/** Undefined where another process has the address, or is just taking it. A socket's file that nobody listens at was left by a kill. */
export async function take(address: string): Promise<(() => Promise<void>) | undefined> {
  const code = await listen(address);
  if (typeof code === "function") return code;
  if (code !== "EADDRINUSE") return async () => {}; // no sockets here: better a run without a lock than none
  if (!address.startsWith("/") || !(await isLeft(address))) return undefined; // only files outlive their process
  const guard = `${address}.taking`; // of two that find the same file, the second would remove the first one's
  try {
    await writeFile(guard, "", { flag: "wx" });
  } catch {
    const made = await stat(guard).catch(() => undefined);
    if (made !== undefined && made.mtimeMs < Date.now() - TAKING) await rm(guard, { force: true }); // its maker was killed, too
    return undefined;
  }
  try {
    if (!(await isLeft(address))) return undefined;
    await rm(address, { force: true });
    const release = await listen(address);
    return typeof release === "function" ? release : undefined;
  } finally {
    await rm(guard, { force: true });
  }
}

/** What gives the address back, or why it cannot be had. */
function listen(address: string): Promise<(() => Promise<void>) | string | undefined> {
  const server = createServer((socket) => socket.destroy());
  const release = (): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
  return new Promise((resolve) => {
    // Stays: a visitor that cannot be let in, as without descriptors, is no reason for a training to end.
    server.on("error", ({ code }: NodeJS.ErrnoException) => resolve(code));
    server.listen(address, () => resolve(release));
    server.unref();
  });
}

function isLeft(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address, () => {
      socket.destroy();
      resolve(false);
    });
    socket.once("error", ({ code }: NodeJS.ErrnoException) => resolve(code === "ECONNREFUSED"));
  });
}
