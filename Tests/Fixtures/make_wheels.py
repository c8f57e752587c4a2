"""make_wheels.py FOLDER < WHEELS: writes wheels, good and hostile, by Python's zipfile.

WHEELS is a JSON list of {"file", "entries", "needs"}. An entry is {"path", "text" or "zeros", "mode", "is_stored"}; with
"needs", a list of requirements, what makes a wheel of a zip file is added."""
import json
import os
import sys
import warnings
import zipfile

warnings.simplefilter("ignore")
for wheel in json.load(sys.stdin):
    with zipfile.ZipFile(os.path.join(sys.argv[1], wheel["file"]), "w") as archive:
        for entry in wheel["entries"]:
            info = zipfile.ZipInfo(entry["path"])
            info.external_attr = entry.get("mode", 0o100644) << 16
            info.compress_type = zipfile.ZIP_STORED if entry.get("is_stored") else zipfile.ZIP_DEFLATED
            content = b"\0" * entry["zeros"] if "zeros" in entry else entry.get("text", "").encode()
            archive.writestr(info, content)
        if "needs" in wheel:
            name, version, *tags = wheel["file"].removesuffix(".whl").split("-")
            own = f"{name}-{version}.dist-info"
            needs = "".join(f"Requires-Dist: {each}\n" for each in wheel["needs"])
            archive.writestr(f"{own}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
            archive.writestr(f"{own}/WHEEL", f"Wheel-Version: 1.0\nGenerator: t\nTag: {'-'.join(tags)}\n")
            archive.writestr(f"{own}/RECORD", "")
