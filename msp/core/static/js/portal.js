/* The portal: no socket, no htmx; every flow works without this file. It keeps drafts and times. */
import "./own-address.js";
import "./copy-button.js";
import "./composer.js";
import { start as startTimes } from "./time-ago.js";

startTimes();
