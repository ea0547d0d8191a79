// Packs every public package, and makes projects that have nothing but what npm installs from the tarballs.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const packages = join(dirname(fileURLToPath(import.meta.url)), "../packages");

/** Every public package as `{ manifest, entries, tarball }`, the tarballs in this folder. */
export function packAll(folder) {
  return readdirSync(packages).flatMap((name) => {
    const path = join(packages, name);
    const manifest = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
    if (manifest.private) return [];
    const packed = execFileSync("pnpm", ["pack", "--json", "--pack-destination", folder], {
      cwd: path,
      encoding: "utf8",
    });
    const entries = Object.keys(manifest.exports)
      .filter((entry) => !entry.endsWith(".json"))
      .map((entry) => manifest.name + entry.slice(1)); // "./node" → "@kd/name/node"
    return [{ manifest, entries, tarball: JSON.parse(packed).filename }];
  });
}

/** An empty project with these tarballs and these packages of the registry alone; returns its folder. */
export function emptyProject(folder, tarballs, others) {
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
  const install = ["install", "--no-audit", "--no-fund", "--loglevel=error", ...others];
  execFileSync("npm", [...install, ...tarballs.map(({ tarball }) => tarball)], {
    cwd: folder,
    stdio: ["ignore", "inherit", "inherit"],
  });
  return folder;
}
