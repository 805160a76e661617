// @ts-check
// Starts silent refresh on pages that need nothing else from lucia.
import { handleSilentRefresh } from "./lucia.js";

handleSilentRefresh();
