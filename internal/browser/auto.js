// @ts-check
// Keeps the session of this page fresh: for pages that need no more than this from lucia.
import { handleSilentRefresh } from "./lucia.js";

handleSilentRefresh();
