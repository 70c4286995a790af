/* The staff screens. Each module defines its element or starts its listeners; nothing is bundled. */
import "./own-address.js";
import "./live-channel.js";
import "./live-fragment.js";
import "./row-list.js";
import "./sla-badge.js";
import "./copy-button.js";
import "./composer.js";
import { start as startDialogs } from "./dialogs.js";
import { start as startKeys } from "./keys.js";
import { start as startTimes } from "./time-ago.js";
import { start as startToasts } from "./toast.js";

startDialogs();
startKeys();
startTimes();
startToasts();
