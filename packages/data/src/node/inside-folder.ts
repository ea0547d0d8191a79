import { realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { asDataError, dataError } from "./data-error.ts";

/** Larger picture files are refused before they are read. */
const MAX_FILE_BYTES = 256 * 1024 ** 2;

/** Why a path out of a record may not be opened, by its text alone. */
function whyNot(path: string): string | undefined {
  if (path === "" || path.length > 4096) return "a path of 1 to 4,096 characters";
  if ([...path].some((c) => c < " ")) return "no control characters";
  if (/^[a-z][a-z0-9+.-]*:/i.test(path)) return "no URL and no drive";
  if (path.includes("\\")) return "/ between folders";
  if (path.startsWith("/") || path.startsWith("~")) return "a relative path";
  if (path.split("/").includes("..")) return "no ..";
  return undefined;
}

const isUnder = (path: string, folder: string): boolean =>
  path.startsWith(folder.endsWith(sep) ? folder : folder + sep);

/**
 * The real path of a file that a record names: inside `folder`, or inside one of `linkedFolders` when a symbolic link leads there.
 *
 * @param where file and index of the record, for errors
 * @throws KdError `KD_DATA` when the path is absolute, holds `..`, `\`, a scheme, a drive or NUL, when links lead out of the folder, or when it is no
 * regular file of at most 256 MiB
 */
export async function insideFolder(
  folder: string,
  path: string,
  { where, linkedFolders = [] }: { where: string; linkedFolders?: readonly string[] },
): Promise<string> {
  const named = `${where} image ${JSON.stringify(path.slice(0, 200))}`;
  const wrong = whyNot(path);
  if (wrong !== undefined)
    throw dataError(named, `expected ${wrong}: pictures lie inside ${folder}; correct the record`);
  try {
    const file = await realpath(join(folder, path));
    const allowed = await Promise.all([folder, ...linkedFolders].map((each) => realpath(each)));
    if (!allowed.some((each) => isUnder(file, each)))
      throw dataError(
        named,
        `links lead to ${file}, outside ${folder}; copy the file, or add its folder to linkedFolders`,
      );
    const found = await stat(file);
    if (!found.isFile() || found.size > MAX_FILE_BYTES)
      throw dataError(
        named,
        `expected a file of at most 256 MiB, got ${found.isFile() ? `${found.size} bytes` : "none"}; remove the record`,
      );
    return file;
  } catch (error) {
    throw asDataError(error, named, `expected a file inside ${folder}, got %s; restore it or remove the record`);
  }
}
