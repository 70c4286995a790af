/* The page that answers a refused form stands at the form's address. What to reload, or come back
   to, is the page itself: it names its address by <link rel="canonical">. */
const own = document.querySelector('link[rel="canonical"]');
if (own) history.replaceState(history.state, "", own.href);
