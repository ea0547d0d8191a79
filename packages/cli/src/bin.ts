#!/usr/bin/env node
import { runCli } from "./run-cli.ts";

const code = await runCli(process.argv.slice(2));
await new Promise((done) => process.stdout.write("", done)); // pipes may still hold results
process.exit(code); // threads of the engine would keep the process alive
