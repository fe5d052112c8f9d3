// Prints which version it was given.
import { createRequire } from "node:module";

console.log(createRequire(import.meta.url)("semver/package.json").version);
