// Where the tests find the program under test and keep what is costly to make.

import { fileURLToPath } from "node:url";

/** Root of the repository. */
export const repository: string = fileURLToPath(new URL("../../../", import.meta.url));

/** Kept between runs, out of git: kubectl, guest images. */
export const cacheDirectory: string = fileURLToPath(new URL("../../../.cache/e2e", import.meta.url));

/** The CLI's launcher. */
export const vivPath: string = fileURLToPath(new URL("../../../viv", import.meta.url));
