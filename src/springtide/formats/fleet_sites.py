"""Sites of a fleet file, and which of them a pool or cloud means."""

from __future__ import annotations

from springtide.formats.entries import Entry, did_you_mean
from springtide.model.fleet import Site
from springtide.model.identifiers import SiteName

_IMPLICIT_HOME = Site(SiteName("home"))
_IMPLICIT_CLOUD = Site(SiteName("cloud"), is_cloud=True)


def read_sites(root: Entry) -> tuple[Site, ...]:
    """The declared sites; where none are, ``home``, and ``cloud`` if there are clouds."""
    section = root.get("sites")
    if section is None:
        return (_IMPLICIT_HOME, _IMPLICIT_CLOUD) if root.get("clouds") else (_IMPLICIT_HOME,)
    sites = []
    for name, entry in section.mapping().items():
        cloud = entry.get("cloud")
        sites.append(Site(SiteName(name), is_cloud=cloud is not None and cloud.truth()))
    return tuple(sites)


def site_of(entry: Entry, sites: tuple[Site, ...], root: Entry, *, cloud: bool) -> Site:
    """The site that a pool's or cloud's ``site`` names, or the only one of its sort.

    Raises the file's error for an unknown site, and where several qualify and none is named.
    """
    named = entry.get("site")
    if named is not None:
        for site in sites:
            if site.name == named.text():
                return site
        remedy = did_you_mean(named.text(), [site.name for site in sites])
        raise named.error(f"There is no site {named.text()!r}{_declared_at(root)}.", remedy)
    fitting = [site for site in sites if site.is_cloud == cloud]
    if len(fitting) == 1:
        return fitting[0]
    sort = "sites with `cloud: true`" if cloud else "sites with machines of one's own"
    names = f" ({', '.join(site.name for site in fitting)})" if fitting else ""
    raise entry.error(f"There are {len(fitting)} {sort}{names}, and none is named here.", "Add `site:`.")


def _declared_at(root: Entry) -> str:
    section = root.get("sites")
    return f" under `sites` (line {section.line})" if section else ", since the file has no `sites`"
