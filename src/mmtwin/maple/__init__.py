"""The kernel's maple tree on simulated memory: floor 3.

``state`` holds the cursors, ``maple`` the engine, ``era`` what differs between kernel releases,
``notation`` a one-line text of a tree for comparisons.
"""
