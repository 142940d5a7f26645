"""How the motion of a surface is found where the network does not see it: far, turned, in patches, behind glints."""
